/** The version of Apache Kafka that tests run against. */
export const KAFKA_VERSION: string;

/** Where Kafka's jars are, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const kafkaPeer: () => Promise<{ readonly libs: string; readonly reason?: never } | { readonly libs?: never; readonly reason: string }>;
