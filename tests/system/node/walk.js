// SPDX-License-Identifier: Apache-2.0
// A foreign client's walk through the server: browse, read, subscribe; what it saw as one line of JSON.
// Usage: node walk.js ENDPOINT CERTIFICATE KEY USER PASSWORD PKI_FOLDER
"use strict";
const {
  OPCUAClient, MessageSecurityMode, SecurityPolicy, UserTokenType, AttributeIds,
  TimestampsToReturn, ClientMonitoredItemGroup, DataType, makeBrowsePath,
} = require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const [endpoint, certificateFile, privateKeyFile, userName, password, pki] = process.argv.slice(2);
const node = (name) => `ns=2;s=${name}`;

async function main() {
  const seen = { changes: [] };
  const clientCertificateManager = new OPCUACertificateManager({
    rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
  });
  await clientCertificateManager.initialize();
  const client = OPCUAClient.create({
    applicationName: "walk", applicationUri: "urn:vigie:test:client", clientName: "walk",
    securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256,
    certificateFile, privateKeyFile, clientCertificateManager,
    endpointMustExist: false, connectionStrategy: { maxRetry: 0 },
  });
  await client.connect(endpoint);
  const session = await client.createSession({ type: UserTokenType.UserName, userName, password });

  const references = (await session.browse(node("21605/CAB-0001"))).references;
  seen.children = references.map((r) => r.browseName.name);
  const path = makeBrowsePath("RootFolder", "/Objects/2:Plant/2:21605/2:CAB-0001/2:V1");
  seen.translated = (await session.translateBrowsePath(path)).targets[0].targetId.toString();

  const names = ["V1", "Mode", "String", "Int64", "UInt64", "Float", "Boolean", "DateTime", "Never"];
  const values = await session.read(
    names.map((n) => ({ nodeId: node(`21605/CAB-0001/${n}`), attributeId: AttributeIds.Value })), 0);
  seen.values = Object.fromEntries(values.map((v, i) => [names[i], {
    value: v.value.value instanceof Date ? v.value.value.toISOString() : v.value.value,
    type: DataType[v.value.dataType], status: v.statusCode.name,
  }]));

  const subscription = await session.createSubscription2({
    requestedPublishingInterval: 50, requestedLifetimeCount: 1000, requestedMaxKeepAliveCount: 20,
    maxNotificationsPerPublish: 2, publishingEnabled: true, priority: 0,
  });
  const tags = ["V1", "String", "Int32"].map((n) => `21605/CAB-0001/${n}`);
  const watched = tags.map((n) => ({ nodeId: node(n), attributeId: AttributeIds.Value }));
  const group = ClientMonitoredItemGroup.create(
    subscription, watched, { samplingInterval: 50, discardOldest: true, queueSize: 1 }, TimestampsToReturn.Both);
  const firsts = new Set();
  await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`only ${JSON.stringify(seen)} arrived`)), 15000);
    group.on("changed", (_item, value, index) => {
      seen.changes.push([tags[index], value.value.value]);
      if (!firsts.has(index)) {
        firsts.add(index);
        if (firsts.size === watched.length) process.stdout.write("FIRST\n"); // the test now changes V1
      } else if (index === 0) {
        clearTimeout(late);
        resolve();
      }
    });
  });
  seen.written = (await session.write({
    nodeId: node("21605/CAB-0001/Int32"), attributeId: AttributeIds.Value,
    value: { value: { dataType: DataType.Int32, value: 77 } },
  })).name;
  await subscription.terminate();
  await session.close();
  await client.disconnect();
  process.stdout.write(`SEEN ${JSON.stringify(seen)}\n`);
}

main().catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
