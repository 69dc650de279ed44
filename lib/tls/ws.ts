/**
 * The door to `ws`, which asks the environment for switches of its own when it is loaded: only who opens or takes WebSockets pays
 * for that, and needs a permission for it.
 *
 * @module
 */
// @ts-types="@types/ws"
export { WebSocket, WebSocketServer } from "ws";
