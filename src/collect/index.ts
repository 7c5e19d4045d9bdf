export { bypassDetection, UNAUTHORISED } from './bypass.js';
export { type CollectorState, openCollectorState } from './collector-state.js';
export { type Collector, LIBVIRT, libvirtCollector } from './libvirt.js';
export { type FindOwner, ownerFinder } from './owners.js';
export { openReports, type Report, type Reports, reportsIn } from './reports.js';
export { openVirsh, type Virsh } from './virsh.js';
