export { drawMermaid } from './mermaid';
export type {
  Drawable,
  DrawableCnci,
  DrawableCnciSubnet,
  DrawableCnciTunnel,
  DrawableCnciVnic,
  DrawableFinding,
  DrawableLink,
  DrawableMesh,
  DrawableNode,
  DrawableNodeSubnet,
  DrawableUplink,
  DrawableVnic,
} from './shape';
export { drawTree } from './tree';
export type { TreeOptions } from './tree';
