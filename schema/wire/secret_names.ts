/** The names of secrets in pipelines, projects and addresses. */
export const SECRET_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,62}$/;
export const SECRET_NAME_ERROR = "the name of a secret is letters, digits, - and _, and does not begin with a digit";
