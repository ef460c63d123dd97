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
} from './directory';
export { replaceFile } from './replace-file';
