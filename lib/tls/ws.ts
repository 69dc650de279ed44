// @ts-types="@types/ws"
export { WebSocket } from "ws";
