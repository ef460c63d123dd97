export {
  checkLinks,
  checkTrustedDirectory,
  codeOf,
  describeKind,
  ignoreAbsence,
  makeDirectory,
  makePrivateDirectory,
  ownUid,
  unsafe,
  unusable,
} from './directory';
export { isTemporary, replaceFile } from './replace-file';
