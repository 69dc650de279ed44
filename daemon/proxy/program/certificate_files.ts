/**
 * Certificates and keys as the files that programs need: 0600 in a folder 0700, there only while a site is served with them.
 *
 * A file is named by its content. So what a running program was told stays true until it is told something else, and a certificate that
 * changed is a configuration that changed, which no program overlooks.
 *
 * @module
 */
import { makePrivateFolder } from "../../store/private_files.ts";
import type { ServedCertificate } from "../backend.ts";
import type { CertificateFiles } from "./driver.ts";
import { emptyFolder, removeFile, replaceFile } from "./files.ts";
import { judgeCertificate } from "./judge.ts";

/** The files of one folder. */
export class CertificateFolder {
  readonly #path: string;
  #present: Set<string> | undefined;

  /** @param path Absolute; made when the first file is. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Where a certificate's files are, or will be. */
  filesOf(certificate: ServedCertificate): CertificateFiles {
    const { tag } = judgeCertificate(certificate);
    return { tag, certFile: `${this.#path}/${tag}.crt`, keyFile: `${this.#path}/${tag}.key` };
  }

  /** Writes those that are missing. */
  async write(certificates: Iterable<ServedCertificate>): Promise<void> {
    const present = await this.#list();
    for (const certificate of certificates) {
      const { tag, certFile, keyFile } = this.filesOf(certificate);
      if (present.has(`${tag}.crt`) && present.has(`${tag}.key`)) continue;
      await replaceFile(keyFile, certificate.keyPem);
      await replaceFile(certFile, certificate.certPem);
      present.add(`${tag}.crt`).add(`${tag}.key`);
    }
  }

  /** Removes all but these; whatever else lies in the folder goes too. */
  async keepOnly(certificates: Iterable<ServedCertificate>): Promise<void> {
    const kept = new Set<string>();
    for (const certificate of certificates) {
      const { tag } = this.filesOf(certificate);
      kept.add(`${tag}.crt`).add(`${tag}.key`);
    }
    const present = await this.#list();
    for (const name of present) {
      if (kept.has(name)) continue;
      await removeFile(`${this.#path}/${name}`);
      present.delete(name);
    }
  }

  /** What is there; nothing of an earlier daemon's, whose end may have cut a file short. */
  async #list(): Promise<Set<string>> {
    if (this.#present !== undefined) return this.#present;
    await makePrivateFolder(this.#path);
    await emptyFolder(this.#path);
    return this.#present = new Set();
  }
}
