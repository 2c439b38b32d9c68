// SPDX-License-Identifier: Apache-2.0
// Reads the past of a tag with a foreign client: raw, processed and at times; prints it as one line of JSON.
// Usage: node history.js ENDPOINT CERTIFICATE KEY USER PASSWORD PKI_FOLDER TAG START_MS
"use strict";
const { OPCUAClient, MessageSecurityMode, SecurityPolicy, UserTokenType, TimestampsToReturn } =
  require("node-opcua-client");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");
const { HistoryReadRequest, ReadAtTimeDetails, ReadRawModifiedDetails } = require("node-opcua-service-history");
const { AggregateFunction } = require("node-opcua-constants");

const [endpoint, certificateFile, privateKeyFile, userName, password, pki, name, startMs] = process.argv.slice(2);
const nodeId = `ns=2;s=${name}`;
const after = (seconds) => new Date(Number(startMs) + 1000 * seconds);
const shown = (v) => [(v.sourceTimestamp - after(0)) / 1000, v.value ? v.value.value : null, v.statusCode.value];

async function rawPages(session) {
  const values = [];
  let continuationPoint = null, pages = 0;
  do {
    const answer = await session.historyRead(new HistoryReadRequest({
      historyReadDetails: new ReadRawModifiedDetails({
        isReadModified: false, startTime: after(0), endTime: after(2000), numValuesPerNode: 0, returnBounds: false,
      }),
      timestampsToReturn: TimestampsToReturn.Both, releaseContinuationPoints: false,
      nodesToRead: [{ nodeId, continuationPoint }],
    }));
    const result = answer.results[0];
    values.push(...result.historyData.dataValues.map(shown));
    continuationPoint = result.continuationPoint;
    pages += 1;
  } while (continuationPoint && continuationPoint.length);
  return { values, pages };
}

async function atTimes(session) {
  const answer = await session.historyRead(new HistoryReadRequest({
    historyReadDetails: new ReadAtTimeDetails({ reqTimes: [after(15), after(10)], useSimpleBounds: false }),
    timestampsToReturn: TimestampsToReturn.Both, releaseContinuationPoints: false, nodesToRead: [{ nodeId }],
  }));
  return answer.results[0].historyData.dataValues.map(shown);
}

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
  const easy = await session.readHistoryValue(nodeId, after(0), after(45));
  const mean = await session.readAggregateValue(
    { nodeId }, after(0), after(300), AggregateFunction.TimeAverage2, 100000);
  const seen = {
    easy: [easy.statusCode.name, easy.historyData.dataValues.map(shown)],
    raw: await rawPages(session),
    mean: [mean.statusCode.name, mean.historyData.dataValues.map(shown)],
    at: await atTimes(session),
  };
  await session.close();
  await client.disconnect();
  console.log(JSON.stringify(seen));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
