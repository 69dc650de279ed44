/**
 * What one verification knows and may spend: the certificates at hand, what has been found out, how much work is left.
 *
 * @module
 */
import type { AlgorithmIdentifier, Certificate } from "../certificate.ts";
import type { Crl } from "../crl.ts";
import type { BitString } from "../der.ts";
import { nodeCrypto } from "../node_crypto.ts";
import { issuerFault, type Purpose } from "./judge.ts";
import { policyFault, type PolicyInputs } from "./policy.ts";
import { type Refusal, refusal } from "./result.ts";
import { type SignatureVerdict, verifySignature } from "./signature.ts";

/** Thrown when a verification has used up its work; never leaves this folder. */
export class BudgetExceeded extends Error {}

/** How much work a verification may cost. Enough for any real chain; a hostile one ends within a fraction of a second. */
const LIMITS = {
  /** Signatures verified. */
  signatures: 128,
  /** Issuers tried for a certificate. */
  steps: 20_000,
  /** Names held against the constraints of a CA. */
  names: 200_000,
  /** Whole paths judged. */
  paths: 200,
  /** Policies and mappings in the certificates of those. */
  policies: 20_000,
};

/** How many issuers are tried whose key identifier is not the one that a certificate names. */
const MAX_UNLIKELY = 16;

/** How revocation is asked for. */
export type RevocationMode = "off" | "require" | "if-present";

/** What a caller has asked for, checked. */
export interface Request {
  /** The instant, in milliseconds, at a whole second. */
  readonly at: number;
  readonly purpose: Purpose;
  readonly maxDepth: number;
  readonly policies: PolicyInputs;
  readonly crls: readonly Crl[];
  readonly revocation: RevocationMode;
}

/** Something signed: a certificate or a CRL. */
export interface Signed {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly signatureAlgorithm: AlgorithmIdentifier;
  readonly signature: BitString;
}

const latin1 = new TextDecoder("latin1");

/** One verification. */
export class Context {
  readonly request: Request;
  /** The certificates that may stand above another, by the key of their subject. */
  readonly bySubject: ReadonlyMap<string, readonly Certificate[]>;
  readonly anchors: ReadonlySet<Certificate>;
  /** Certificates that were read but hold an extension that could not be. */
  readonly broken: ReadonlyMap<Certificate, Refusal>;
  readonly #used = { signatures: 0, steps: 0, names: 0, paths: 0, policies: 0 };
  readonly #foreseen: Promise<unknown>[] = [];
  #unlikely = 0;
  readonly #verdicts = new Map<Signed, Map<string, Promise<SignatureVerdict>>>();
  readonly #keys = new Map<Certificate, string>();
  readonly #entities = new Map<Certificate, number>();
  readonly #entityIds = new Map<string, number>();
  readonly #faults = new Map<Certificate, Refusal | undefined>();

  constructor(
    request: Request,
    certificates: {
      readonly pool: readonly Certificate[];
      readonly anchors: ReadonlySet<Certificate>;
      readonly broken: ReadonlyMap<Certificate, Refusal>;
    },
  ) {
    this.request = request;
    this.anchors = certificates.anchors;
    this.broken = certificates.broken;
    this.bySubject = Map.groupBy(certificates.pool, (certificate) => certificate.subject.key);
  }

  /** Spends work, or throws {@linkcode BudgetExceeded}. */
  spend(what: keyof typeof LIMITS, amount = 1): void {
    this.#used[what] += amount;
    if (this.#used[what] > LIMITS[what]) throw new BudgetExceeded();
  }

  /** Whether an issuer may be tried that is not likely to be the one: what was tried before costs nothing. */
  mayTryUnlikely(certificate: Certificate, issuer: Certificate): boolean {
    return this.#verdicts.get(certificate)?.has(this.keyOf(issuer)) || this.#unlikely++ < MAX_UNLIKELY;
  }

  /** Whether issuers have been left out because too many were unlikely. */
  get hasLeftOut(): boolean {
    return this.#unlikely > MAX_UNLIKELY;
  }

  /** A string that certificates share exactly if they have the same key. */
  keyOf(certificate: Certificate): string {
    let key = this.#keys.get(certificate);
    if (key === undefined) this.#keys.set(certificate, key = latin1.decode(certificate.spki));
    return key;
  }

  /** A number that certificates share exactly if they have the same subject and key: who they speak of. */
  entityOf(certificate: Certificate): number {
    let entity = this.#entities.get(certificate);
    if (entity === undefined) {
      const key = `${certificate.subject.key} ${this.keyOf(certificate)}`;
      entity = this.#entityIds.get(key);
      if (entity === undefined) this.#entityIds.set(key, entity = this.#entityIds.size);
      this.#entities.set(certificate, entity);
    }
    return entity;
  }

  /** What is wrong with a certificate as an issuer, or nothing. */
  issuerFault(certificate: Certificate): Refusal | undefined {
    if (this.#faults.has(certificate)) return this.#faults.get(certificate);
    const { at, purpose } = this.request;
    const fault = this.broken.get(certificate) ??
      issuerFault(certificate, { at, purpose, anchor: this.anchors.has(certificate) });
    this.#faults.set(certificate, fault);
    return fault;
  }

  /**
   * Judges the policies of a path (RFC 5280 §6.1).
   * @param path The certificate first, the anchor last.
   * @param inputs What is asked.
   * @returns What is wrong, or nothing.
   */
  policyFault(path: readonly Certificate[], inputs: PolicyInputs): Refusal | undefined {
    const below = path.length === 1 ? path : path.slice(0, -1).reverse();
    for (const { policies, policyMappings } of below) {
      this.spend("policies", (policies?.length ?? 0) + (policyMappings?.length ?? 0));
    }
    const fault = policyFault(below, inputs);
    if (fault === undefined) return undefined;
    return refusal(fault.certificate, "policy", { section: `RFC 5280 §${fault.section}`, reason: fault.reason });
  }

  /** Verifies the signature on something with the key of a certificate, once. */
  signatureBy(signed: Signed, signer: Certificate): Promise<SignatureVerdict> {
    const key = this.keyOf(signer);
    let own = this.#verdicts.get(signed);
    if (own === undefined) this.#verdicts.set(signed, own = new Map());
    let verdict = own.get(key);
    if (verdict === undefined) own.set(key, verdict = this.#verify(signed, signer));
    return verdict;
  }

  /** Starts to verify a signature that will be asked for if all goes well: the platform verifies several at once. */
  foresee(signed: Signed, signer: Certificate): void {
    // Whoever asks for it sees a failure; nobody may.
    this.#foreseen.push(this.signatureBy(signed, signer).catch(() => {}));
  }

  /** Waits for what was started and not asked for: nothing goes on after a verification has ended. */
  async settle(): Promise<void> {
    await Promise.all(this.#foreseen);
  }

  async #verify(signed: Signed, signer: Certificate): Promise<SignatureVerdict> {
    const question = questionOf(signed, signer);
    let verdict = remembered.get(question);
    if (verdict === undefined) {
      this.spend("signatures");
      const { tbs: data, signatureAlgorithm: algorithm, signature } = signed;
      verdict = await verifySignature(signer.publicKey, { data, algorithm, signature });
      remember(question, verdict);
    }
    return verdict;
  }

  /** What is wrong with the signature on a certificate, or nothing. */
  async signatureFault(certificate: Certificate, signer: Certificate): Promise<Refusal | undefined> {
    const verdict = await this.signatureBy(certificate, signer);
    if (verdict === "good") return undefined;
    const section = "RFC 5280 §6.1.3(a)(1)";
    if (verdict !== "bad") return refusal(certificate, "algorithm", { section, reason: verdict.unsupported });
    const reason = `its signature does not verify with the key of "${signer.subject}"`;
    return refusal(certificate, "signature", { section, reason });
  }
}

/**
 * The verdicts on the last signatures. Whether one is good is a fact about bytes alone, so it stays true: a server that
 * sees the same intermediate a thousand times verifies it once. Whether a certificate is valid, revoked or allowed is
 * found out anew each time.
 */
const remembered = new Map<string, SignatureVerdict>();
const MAX_REMEMBERED = 2048;

function questionOf(signed: Signed, signer: Certificate): string {
  // The first is DER, which tells where it ends.
  return nodeCrypto().createHash("sha256").update(signed.der).update(signer.spki).digest("base64");
}

function remember(question: string, verdict: SignatureVerdict): void {
  if (remembered.size >= MAX_REMEMBERED) remembered.delete(remembered.keys().next().value!);
  remembered.set(question, verdict);
}
