import type { ItemSettings, Setting } from '../src/cli/settings.js';

/** docs/configuration.md for these settings. */
export const renderConfiguration: (settings: readonly Setting[], listed: ItemSettings) => string;

/** docs/syslog.md with its tables as these fields and this schema have them. */
export const renderSyslog: (text: string, fields: readonly { readonly name: string; readonly of: string }[], schema: object) => string;
