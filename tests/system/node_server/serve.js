// SPDX-License-Identifier: Apache-2.0
// A foreign OPC UA server with a value of each sort; told on stdin what to hold: "set Level 5.5".
// Usage: node serve.js PORT PKI_FOLDER
"use strict";
const readline = require("readline");
const { OPCUAServer } = require("node-opcua-server");
const { MessageSecurityMode, SecurityPolicy } = require("node-opcua-secure-channel");
const { Variant, DataType, VariantArrayType } = require("node-opcua-variant");
const { StatusCodes } = require("node-opcua-status-code");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { nodesets } = require("node-opcua-nodesets");

const [port, rootFolder, many] = process.argv.slice(2);
const held = { Level: 1.5, Code: 1, Text: "é", Array: Int16Array.from([10, 11, 12, 13]), Put: 0 };

async function main() {
  const serverCertificateManager = new OPCUACertificateManager({
    rootFolder, automaticallyAcceptUnknownCertificate: true,
  });
  await serverCertificateManager.initialize();
  const server = new OPCUAServer({
    port: Number(port), hostname: "127.0.0.1", alternateHostname: "127.0.0.1", nodeset_filename: [nodesets.standard],
    serverInfo: { applicationUri: "urn:vigie:test:node-opcua" }, serverCertificateManager, allowAnonymous: true,
    securityModes: [MessageSecurityMode.None, MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt],
    securityPolicies: [SecurityPolicy.None, SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes256_Sha256_RsaPss],
    userManager: { isValidUser: (user, password) => user === "vigie" && password === "right" },
  });
  await server.initialize();
  const space = server.engine.addressSpace, namespace = space.getOwnNamespace();
  const modes = namespace.addEnumerationType({ browseName: "Modes", enumeration: ["off", "on", "local"] });
  const add = (name, dataType, type, more = {}) => namespace.addVariable({
    organizedBy: space.rootFolder.objects, browseName: name, nodeId: `s=${name}`, dataType, minimumSamplingInterval: 50,
    value: {
      get: () => new Variant({ dataType: type, value: held[name], ...more }),
      set: (variant) => { held[name] = variant.value; return StatusCodes.Good; },
    }, ...(more.arrayType ? { valueRank: 1, arrayDimensions: [4] } : {}),
  });
  add("Level", "Double", DataType.Double);
  add("Code", modes.nodeId, DataType.Int32);
  add("Text", "String", DataType.String);
  add("Put", "Double", DataType.Double);
  const array = namespace.addVariable({
    organizedBy: space.rootFolder.objects, browseName: "Array", nodeId: "s=Array", dataType: "Int16", valueRank: 1,
    arrayDimensions: [4], minimumSamplingInterval: 0,
    value: new Variant({ dataType: DataType.Int16, arrayType: VariantArrayType.Array, value: held.Array }),
  });
  for (let i = 0; i < Number(many); i++) {
    namespace.addVariable({
      organizedBy: space.rootFolder.objects, browseName: `Many${i}`, nodeId: `i=${10000 + i}`, dataType: "Float",
      value: new Variant({ dataType: DataType.Float, value: i }),
    });
  }
  await server.start();
  readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const [, name, value] = line.split(" ");
    held[name] = name === "Text" ? value : Number(value);
    console.log(`${name} ${held[name]}`);
  }).on("close", () => process.exit(0));
  console.log(`ready ${array.nodeId.toString()}`);
}

main().catch((error) => { console.error(error); process.exit(1); });
