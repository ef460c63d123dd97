declare const brand: unique symbol;

/**
 * A value that went through its parser. The brand exists for the compiler only: at run time the
 * value is the plain string or number.
 */
export type Brand<T extends string | number, Name extends string> = T & { readonly [brand]: Name };
