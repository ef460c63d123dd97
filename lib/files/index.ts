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
export { replaceFile } from './replace-file';
