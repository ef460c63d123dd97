export { Cnci, openCnci } from './cnci';
export type {
  CnciReport,
  CnciSubnetTopology,
  CnciTopology,
  RemoteSubnet,
  RemovedSubnet,
} from './results';
