/** Names of tenants, orgs and declared things. */
export const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

export const isName = (text: string): boolean => namePattern.test(text);
