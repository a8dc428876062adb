/** The environment this process was given, for the entry points that hand it on to `readEnvironment`. */
export function processEnvironment(): NodeJS.ProcessEnv {
  return process.env;
}
