import type { ItemSettings, Setting } from '../src/cli/settings.js';

/** docs/configuration.md for these settings. */
export const renderConfiguration: (settings: readonly Setting[], listed: ItemSettings) => string;
