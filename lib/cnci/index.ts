export { Cnci, openCnci } from './cnci';
export type { PlannableCnciOperations } from './cnci';
export type { CnciEvent, CnciHealedEvent, CnciRepairReport, DhcpNews } from './repair';
export type {
  CnciReport,
  CnciShutdownReport,
  CnciSubnetTopology,
  CnciTopology,
  MeshNeighbour,
  MeshTopology,
  RemoteSubnet,
  RemovedSubnet,
  UpdatedNeighbors,
} from './results';
