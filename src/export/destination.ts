import type { JsonObject } from '../event/index.js';
import type { ConfigSchema } from '../outbound/index.js';
import type { EventFormatName } from './formats/index.js';
import type { Dial, Sender } from './sender.js';

/** A form that events take on their way out. `rfc5424`: JSON as the text of a syslog message; `parquet`: many events as a file of columns. */
export type DestinationFormat = EventFormatName | 'rfc5424' | 'parquet';

export type SenderDeps = {
  readonly dial: Dial;
  /** The form that events take: one of the destination's {@link Destination.formats}. */
  readonly format: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
};

export type { ConfigSchema };

/** One kind of place that events can be sent to. */
export type Destination = {
  readonly type: string;
  /** What its configuration must be, without `type`. */
  readonly schema: ConfigSchema;
  /** The forms that it takes; the first is meant where none is named. */
  readonly formats: readonly [DestinationFormat, ...DestinationFormat[]];
  /** Opens nothing yet. Throws a sentence where the configuration can't be used. */
  readonly make: (config: JsonObject, deps: SenderDeps) => Sender;
};
