/**
 * The proxy traefik, with the real program.
 */
import { proxySuite } from "../program/suite.ts";

proxySuite("traefik");
