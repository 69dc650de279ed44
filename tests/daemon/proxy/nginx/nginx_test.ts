/**
 * The proxy nginx, with the real program.
 */
import { proxySuite } from "../program/suite.ts";

proxySuite("nginx");
