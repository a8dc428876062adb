const held = [];
for (;;) held.push(Buffer.alloc(16 * 1024 * 1024, 1));
