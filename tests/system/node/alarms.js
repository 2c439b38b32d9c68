// SPDX-License-Identifier: Apache-2.0
// A foreign client's alarm list: sees an alarm come, acknowledges it, refreshes, resets it. One line of JSON a step.
// Usage: node alarms.js ENDPOINT CERTIFICATE KEY USER PASSWORD PKI_FOLDER CONDITION_ID
"use strict";
const {
  OPCUAClient, MessageSecurityMode, SecurityPolicy, UserTokenType, installAlarmMonitoring,
} = require("node-opcua-client");
const { callConditionRefresh } = require("node-opcua-alarm-condition");
const { OPCUACertificateManager } = require("node-opcua-certificate-manager");

const [endpoint, certificateFile, privateKeyFile, userName, password, pki, conditionId] = process.argv.slice(2);
const say = (step, alarm, more) => process.stdout.write(`${JSON.stringify({ step, ...told(alarm), ...more })}\n`);

function told(alarm) {
  if (!alarm) return {};
  const f = alarm.fields;
  return {
    condition: alarm.conditionId.toString(), type: alarm.eventType.toString(), event: alarm.eventId.toString("hex"),
    retain: f.retain.value, acked: f.ackedState.id.value, active: f.activeState.id.value,
    severity: f.severity.value, message: f.message.value.text, comment: f.comment.value.text,
  };
}

async function main() {
  const clientCertificateManager = new OPCUACertificateManager({
    rootFolder: pki, automaticallyAcceptUnknownCertificate: true,
  });
  await clientCertificateManager.initialize();
  const client = OPCUAClient.create({
    applicationName: "alarms", applicationUri: "urn:vigie:test:client", clientName: "alarms",
    securityMode: MessageSecurityMode.SignAndEncrypt, securityPolicy: SecurityPolicy.Basic256Sha256,
    certificateFile, privateKeyFile, clientCertificateManager,
    endpointMustExist: false, connectionStrategy: { maxRetry: 0 },
  });
  await client.connect(endpoint);
  const session = await client.createSession({ type: UserTokenType.UserName, userName, password });
  const list = await installAlarmMonitoring(session);
  const until = (holds) => new Promise((resolve) => {
    const look = () => {
      const alarm = list.alarms().find((a) => a.conditionId.toString() === conditionId);
      if (!alarm || !holds(alarm)) return;
      list.off("alarmChanged", look);
      resolve(alarm);
    };
    list.on("alarmChanged", look);
    look();
  });
  say("ready");
  const alarm = await until((a) => a.fields.activeState.id.value);
  say("seen", alarm);
  const code = await alarm.acknowledge(session, "équipe en route");
  say("acknowledged", await until((a) => a.fields.ackedState.id.value), { code: code.name });
  const again = await alarm.acknowledge(session, "encore");
  const refreshed = await callConditionRefresh(session, session.$subscriptionForAlarmList.subscriptionId);
  say("refreshed", await until(() => true), { code: refreshed.name, again: again.name });
  const reset = async () => (await session.call({ objectId: conditionId, methodId: "ns=0;i=18199" })).statusCode.name;
  let unlatched = await reset(); // refused as long as the circuit is still tripped
  while (unlatched === "BadInvalidState") {
    await new Promise((resolve) => setTimeout(resolve, 200));
    unlatched = await reset();
  }
  say("gone", await until((a) => !a.fields.retain.value), { code: unlatched });
  await session.close();
  await client.disconnect();
}

main().then(() => process.exit(0), (error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
