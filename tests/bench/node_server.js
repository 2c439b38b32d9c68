// SPDX-License-Identifier: Apache-2.0
// The OPC UA server of node-opcua with N variables, for tests/bench/bench_opcua.py, with and without security on one port.
// Usage: node server.js N FIRST_ID PORT PKI_FOLDER
// Prints one line of JSON when it listens. A line 'change M' on its input makes the first M variables change every
// 500 ms; the end of the input ends it.
"use strict";
const { OPCUAServer } = require("node-opcua-server");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { DataType } = require("node-opcua-variant");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const readline = require("node:readline");

const [count, firstId, port, pki] = process.argv.slice(2);

async function main() {
  const started = process.hrtime.bigint();
  const serverCertificateManager = new OPCUACertificateManager({
    rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
  });
  await serverCertificateManager.initialize();
  const server = new OPCUAServer({
    port: Number(port), serverCertificateManager, allowAnonymous: true,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256],
    serverCapabilities: { maxSessions: 100, maxMonitoredItems: 1000000, maxMonitoredItemsPerSubscription: 1000000 },
  });
  await server.initialize();
  const before = process.memoryUsage().rss;
  const namespace = server.engine.addressSpace.registerNamespace("urn:bench");
  const folder = namespace.addFolder("ObjectsFolder", { browseName: "Bench" });
  const variables = [];
  for (let i = 0; i < Number(count); i++) {
    const variable = namespace.addVariable({
      organizedBy: folder, browseName: `T${i}`, nodeId: `i=${Number(firstId) + i}`, dataType: "Double",
    });
    variable.setValueFromSource({ dataType: DataType.Double, value: 0 });
    variables.push(variable);
  }
  await server.start();
  const facts = {
    url: `opc.tcp://127.0.0.1:${port}`, secure_url: `opc.tcp://127.0.0.1:${port}`, pid: process.pid, namespace: namespace.index, before,
    after: process.memoryUsage().rss, start_s: Number(process.hrtime.bigint() - started) / 1e9,
  };
  console.log(JSON.stringify(facts));
  let timer, value = 0;
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    clearInterval(timer);
    const m = Number(line.split(" ")[1]);
    timer = setInterval(() => {
      value = 1 - value;
      for (let i = 0; i < m; i++) variables[i].setValueFromSource({ dataType: DataType.Double, value });
    }, 500);
  }).on("close", () => process.exit(0));
}

main().catch((error) => { console.error(error); process.exit(1); });
