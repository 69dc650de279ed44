/**
 * The proxy caddy, with the real program.
 */
import { proxySuite } from "../program/suite.ts";

proxySuite("caddy");
