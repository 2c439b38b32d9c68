// SPDX-License-Identifier: Apache-2.0
// Subscribes to a tag and says each value it is told, whatever happens to the connection in between; "end" on its input
// ends it. No security: what is tried is how it comes back.
// Usage: node reconnect.js ENDPOINT PKI_FOLDER TAG
"use strict";
const {
  OPCUAClient, MessageSecurityMode, SecurityPolicy, AttributeIds, TimestampsToReturn, ClientSubscription,
  ClientMonitoredItem,
} = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const readline = require("node:readline");

const [endpoint, rootFolder, name] = process.argv.slice(2);
const say = (step, more) => process.stdout.write(`${JSON.stringify({ step, ...more })}\n`);

async function main() {
  const clientCertificateManager = new OPCUACertificateManager({ rootFolder });
  await clientCertificateManager.initialize();
  const client = OPCUAClient.create({
    applicationName: "reconnect", clientName: "reconnect", clientCertificateManager, endpointMustExist: false,
    securityMode: MessageSecurityMode.None, securityPolicy: SecurityPolicy.None, keepSessionAlive: true,
    connectionStrategy: { maxRetry: -1, initialDelay: 100, maxDelay: 300 },
  });
  client.on("after_reconnection", () => say("back"));
  await client.connect(endpoint);
  const session = await client.createSession();
  // No keep-alive becomes due while the connection is cut: this client takes the number of one for that of a message, and
  // where it comes before its Republish, it asks for one too many and never sees what was lost.
  const subscription = ClientSubscription.create(session, {
    requestedPublishingInterval: 50, requestedLifetimeCount: 3000, requestedMaxKeepAliveCount: 1000,
    maxNotificationsPerPublish: 100, publishingEnabled: true, priority: 1,
  });
  const item = ClientMonitoredItem.create(
    subscription, { nodeId: `ns=2;s=${name}`, attributeId: AttributeIds.Value },
    { samplingInterval: 0, queueSize: 10, discardOldest: true }, TimestampsToReturn.Both);
  item.on("changed", (value) => say("value", { value: value.value.value }));
  item.on("err", (message) => say("error", { message }));
  for await (const line of readline.createInterface({ input: process.stdin })) if (line === "end") break;
  await session.close();
  await client.disconnect();
}

main().then(() => process.exit(0), (error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
