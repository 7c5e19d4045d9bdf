import type { ItemSetting, Setting } from '../src/cli/settings.js';

/** docs/configuration.md for these settings. */
export const renderConfiguration: (settings: readonly Setting[], issuers: readonly ItemSetting[], keys: readonly ItemSetting[]) => string;
