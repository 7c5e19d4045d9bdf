/** Where libvirt's daemon and command line and QEMU are, or a sentence that says what is missing. With CI=true what is missing is thrown. */
export const libvirtPeer: (options?: {
  readonly installs?: boolean;
}) =>
  | { readonly libvirtd: string; readonly virsh: string; readonly qemu: string; readonly reason?: never }
  | { readonly reason: string; readonly libvirtd?: never; readonly virsh?: never; readonly qemu?: never };
