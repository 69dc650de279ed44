/**
 * Deployments, pods and nodes on the wire.
 *
 * Their enum strings are closed sets: clients refuse a whole list for one unknown value.
 *
 * @module
 */
import { z } from "zod";
import { ANY_SCOPE, type Endpoint } from "./endpoint.ts";

/** A directory of the container: a named volume, or a folder of the host. */
export type Volume =
  | { readonly name: string; readonly mount: string }
  | { readonly path: string; readonly mount: string; readonly readonly: boolean };

/** What a deployment is to be. */
export interface DeploymentSpec {
  /** The project it belongs to. */
  readonly project: string;
  /** Its own name. */
  readonly deployment: { readonly name: string };
  /** How many pods. */
  readonly replicas: number;
  /** Container image. */
  readonly image: string;
  /** Ports the containers listen on. */
  readonly ports: readonly number[];
  /** Environment of the containers. */
  readonly env: Readonly<Record<string, string>>;
  /** What is mounted into the containers. */
  readonly volumes: readonly Volume[];
  /** Names of the project's secrets that become environment. */
  readonly secrets: readonly string[];
  /** How the internet reaches it; null for not at all. */
  readonly network: { readonly public: boolean; readonly domain: string | null; readonly https: boolean } | null;
  /** How its health is asked; null for not at all. */
  readonly healthcheck:
    | { readonly path: string; readonly interval: string; readonly timeout: string; readonly retries: number }
    | null;
  /** When an ended container is started again. */
  readonly restart: "always" | "onfailure" | "never";
  /** Limits of each container; null for none. */
  readonly resources: { readonly memory: string; readonly cpu: number } | null;
}

/** A deployment: a spec and how it fares. Its name and project are inside {@linkcode Deployment.spec}. */
export interface Deployment {
  /** UUID v4. */
  readonly id: string;
  /** What it is to be. */
  readonly spec: DeploymentSpec;
  /** How it fares. */
  readonly status: "pending" | "running" | "degraded" | "stopped" | "failed";
  /** When it was first deployed, RFC 3339. */
  readonly created_at: string;
  /** When it last changed, RFC 3339. */
  readonly updated_at: string;
}

/** One container of a deployment. */
export interface Pod {
  /** UUID v4. */
  readonly id: string;
  /** The deployment it belongs to. */
  readonly deployment_id: string;
  /** The project it belongs to. */
  readonly project: string;
  /** Name of the deployment. */
  readonly deployment_name: string;
  /** Its number within the deployment, from 0. */
  readonly replica_index: number;
  /** The node it runs on; null on a single node. */
  readonly node_id: string | null;
  /** The runtime's id; null before it exists. */
  readonly container_id: string | null;
  /** Its address on the project's network; null before it exists. */
  readonly container_ip: string | null;
  /** How it fares. */
  readonly status:
    | "pending"
    | "creating"
    | "running"
    | "stopping"
    | "stopped"
    | "failed"
    | "restarting"
    | "crashloopbackoff";
  /** The image it runs. */
  readonly image: string;
  /** How often it was started again. */
  readonly restart_count: number;
  /** When it was created, RFC 3339. */
  readonly created_at: string;
}

/** What a machine has and has left. */
export interface NodeResources {
  /** Cores in all. */
  readonly cpu_cores: number;
  /** Memory in all, bytes. */
  readonly memory_bytes: number;
  /** Cores left. */
  readonly cpu_available: number;
  /** Memory left, bytes; never above `memory_bytes`. */
  readonly memory_available: number;
  /** Pods it runs. */
  readonly running_pods: number;
}

/** A machine of the cluster. */
export interface Node {
  /** UUID v4. */
  readonly id: string;
  /** The machine's host name. */
  readonly name: string;
  /** `host:port` of its gRPC server. */
  readonly address: string;
  /** Whether it leads. */
  readonly role: "master" | "worker";
  /** How it fares. */
  readonly status: "ready" | "notready" | "draining";
  /** What it has and has left. */
  readonly resources: NodeResources;
  /** When it was last heard of, RFC 3339. */
  readonly last_heartbeat: string;
  /** When it joined, RFC 3339. */
  readonly joined_at: string;
}

/** Narrows a listing to one project. */
export interface ProjectFilter {
  /** Only this project's; absent for all. */
  readonly project?: string | undefined;
}

const count = z.int().min(0);
const text = z.string();

const specSchema: z.ZodType<DeploymentSpec> = z.object({
  project: text,
  deployment: z.object({ name: text }),
  replicas: count.default(1),
  image: text,
  ports: z.array(count).default([]),
  env: z.record(text, text).default({}),
  volumes: z.array(z.union([
    z.object({ name: text, mount: text }),
    z.object({ path: text, mount: text, readonly: z.boolean().default(false) }),
  ])).default([]),
  secrets: z.array(text).default([]),
  network: z.object({
    public: z.boolean().default(false),
    domain: text.nullable().default(null),
    https: z.boolean().default(false),
  }).nullable().default(null),
  healthcheck: z.object({
    path: text,
    interval: text.default("10s"),
    timeout: text.default("5s"),
    retries: count.default(3),
  }).nullable().default(null),
  restart: z.enum(["always", "onfailure", "never"]).default("always"),
  resources: z.object({ memory: text, cpu: z.number() }).nullable().default(null),
});

const deploymentSchema: z.ZodType<Deployment> = z.object({
  id: z.uuid(),
  spec: specSchema,
  status: z.enum(["pending", "running", "degraded", "stopped", "failed"]),
  created_at: text,
  updated_at: text,
});

const podSchema: z.ZodType<Pod> = z.object({
  id: z.uuid(),
  deployment_id: z.uuid(),
  project: text,
  deployment_name: text,
  replica_index: count,
  node_id: z.uuid().nullable().default(null),
  container_id: text.nullable().default(null),
  container_ip: text.nullable().default(null),
  status: z.enum([
    "pending",
    "creating",
    "running",
    "stopping",
    "stopped",
    "failed",
    "restarting",
    "crashloopbackoff",
  ]),
  image: text,
  restart_count: count,
  created_at: text,
});

const nodeSchema: z.ZodType<Node> = z.object({
  id: z.uuid(),
  name: text,
  address: text,
  role: z.enum(["master", "worker"]),
  status: z.enum(["ready", "notready", "draining"]),
  resources: z.object({
    cpu_cores: z.number(),
    memory_bytes: count,
    cpu_available: z.number(),
    memory_available: count,
    running_pods: count,
  }),
  last_heartbeat: text,
  joined_at: text,
});

const filterSchema: z.ZodType<ProjectFilter> = z.object({ project: text.optional() });

/** Every deployment. */
export const listDeployments: Endpoint<ProjectFilter, Deployment[]> = {
  name: "deployment.list",
  summary: "Deployments, of one project or all",
  method: "GET",
  path: "/api/v1/deployments",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  input: filterSchema,
  output: z.array(deploymentSchema),
};

/** Every pod. */
export const listPods: Endpoint<ProjectFilter, Pod[]> = {
  name: "pod.list",
  summary: "Pods, of one project or all",
  method: "GET",
  path: "/api/v1/pods",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  input: filterSchema,
  output: z.array(podSchema),
};

/** Every node; empty on a single node. */
export const listNodes: Endpoint<Record<never, never>, Node[]> = {
  name: "node.list",
  summary: "Nodes by name; empty on a single node",
  method: "GET",
  path: "/api/v1/nodes",
  allow: ANY_SCOPE,
  status: 200,
  answer: "json",
  output: z.array(nodeSchema),
};
