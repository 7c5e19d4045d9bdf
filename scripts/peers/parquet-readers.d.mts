/** A folder for PYTHONPATH with DuckDB, pandas and PyArrow, or a sentence on what is missing. With CI=true what is missing is thrown. */
export const findParquetReaders: () => Promise<{ readonly path: string; readonly reason?: never } | { readonly path?: never; readonly reason: string }>;
