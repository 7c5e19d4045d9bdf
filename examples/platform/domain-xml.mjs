// @ts-check
const NAMED = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

/** Text as it may stand in XML 1.0: marked characters by their entities, and none that XML can't hold. */
export const escapeXml = (/** @type {string} */ text) =>
  text
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll(/[&<>"']/g, (mark) => NAMED[/** @type {keyof typeof NAMED} */ (mark)]);

/**
 * The domain of an instance: diskless, without a network, and as small as its plan. Its name is the instance's id, so
 * that who watches libvirt knows which instance it is; what the customer calls it stands in the title.
 * @param {{ id: string, name: string, account: string, memory_mb: number, vcpus: number }} instance
 * @param {'kvm' | 'qemu' | 'test'} type
 */
export const domainXml = ({ id, name, account, memory_mb, vcpus }, type) => `<domain type='${type}'>
  <name>${escapeXml(id)}</name>
  <title>${escapeXml(name.replaceAll(/\s+/g, ' '))}</title>
  <description>account ${escapeXml(account)}</description>
  <memory unit='MiB'>${Number(memory_mb)}</memory>
  <vcpu>${Number(vcpus)}</vcpu>
  <os><type${type === 'test' ? '' : " arch='x86_64'"}>hvm</type></os>
  <on_reboot>restart</on_reboot>
  <devices/>
</domain>
`;
