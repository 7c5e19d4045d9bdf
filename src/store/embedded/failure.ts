/** An error of the engine, or of this front, as ClickHouse's HTTP interface tells it. */
export class QueryFailure extends Error {
  override readonly name = 'QueryFailure';
  constructor(
    /** ClickHouse's error code (src/Common/ErrorCodes.cpp). */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

const STATUS: Readonly<Record<number, number>> = {
  // BAD_ARGUMENTS, CANNOT_PARSE_*, ILLEGAL_TYPE_OF_ARGUMENT, SYNTAX_ERROR, UNKNOWN_SETTING, UNKNOWN_QUERY_PARAMETER and their like
  ...Object.fromEntries([6, 25, 26, 27, 36, 38, 41, 42, 43, 44, 53, 62, 69, 70, 72, 115, 117, 131, 321, 456, 457, 467, 469].map((code) => [code, 400])),
  // UNKNOWN_TABLE, UNKNOWN_DATABASE, UNKNOWN_FUNCTION, UNKNOWN_IDENTIFIER, UNKNOWN_TYPE, UNKNOWN_STORAGE, UNKNOWN_FORMAT, NO_SUCH_COLUMN_IN_TABLE
  ...Object.fromEntries([16, 46, 47, 50, 56, 60, 73, 81].map((code) => [code, 404])),
  48: 501, // NOT_IMPLEMENTED
  159: 408, // TIMEOUT_EXCEEDED
  164: 403, // READONLY
  202: 503, // TOO_MANY_SIMULTANEOUS_QUERIES
  209: 503, // SOCKET_TIMEOUT
  236: 503, // ABORTED
  497: 403, // ACCESS_DENIED
  516: 403, // AUTHENTICATION_FAILED
};

/** The HTTP status that ClickHouse gives an error code (exceptionCodeToHTTPStatus); 500 where it names none. */
export const statusOf = (code: number): number => STATUS[code] ?? 500;

/** The engine's error as a {@link QueryFailure}, with the code that stands at the head of its text; 1002 (UNKNOWN_EXCEPTION) where none does. */
export const failureOf = (error: unknown): QueryFailure => {
  if (error instanceof QueryFailure) return error;
  const text = error instanceof Error ? error.message : String(error);
  const code = /^Code:\s*(\d+)/.exec(text)?.[1];
  return code ? new QueryFailure(Number(code), text) : new QueryFailure(1002, `Code: 1002. DB::Exception: ${text} (UNKNOWN_EXCEPTION)`);
};
