export { Cnci, openCnci } from './cnci';
export type { PlannableCnciOperations } from './cnci';
export type {
  CnciReport,
  CnciSubnetTopology,
  CnciTopology,
  MeshNeighbour,
  MeshTopology,
  RemoteSubnet,
  RemovedSubnet,
  UpdatedNeighbors,
} from './results';
