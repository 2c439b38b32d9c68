// SPDX-License-Identifier: Apache-2.0
// Reads tags with a foreign client and prints them as one line of JSON.
// Usage: node read.js ENDPOINT CERTIFICATE KEY USER PASSWORD PKI_FOLDER TAG...
"use strict";
const { OPCUAClient, MessageSecurityMode, SecurityPolicy, UserTokenType, AttributeIds, DataType } =
  require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const [endpoint, certificateFile, privateKeyFile, userName, password, pki, ...names] = process.argv.slice(2);

async function main() {
  const clientCertificateManager = new OPCUACertificateManager({
    rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
  });
  await clientCertificateManager.initialize();
  const client = OPCUAClient.create({
    applicationName: "read", applicationUri: "urn:vigie:test:client", clientName: "read",
    securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256,
    certificateFile, privateKeyFile, clientCertificateManager,
    endpointMustExist: false, connectionStrategy: { maxRetry: 0 },
  });
  await client.connect(endpoint);
  const session = await client.createSession({ type: UserTokenType.UserName, userName, password });
  const values = await session.read(
    names.map((name) => ({ nodeId: `ns=2;s=${name}`, attributeId: AttributeIds.Value })), 0);
  const seen = Object.fromEntries(values.map((v, i) => [names[i], {
    value: v.value.value, type: DataType[v.value.dataType], status: v.statusCode.name,
  }]));
  await session.close();
  await client.disconnect();
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
