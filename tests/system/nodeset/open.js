// SPDX-License-Identifier: Apache-2.0
// Opens a NodeSet2 file with node-opcua's own loader and tells, as one line of JSON, what it found under /Objects/Plant.
const { AddressSpace } = require('node-opcua-address-space');
const { generateAddressSpace } = require('node-opcua-address-space/nodeJS');
const { nodesets } = require('node-opcua-nodesets');

async function main() {
  const space = AddressSpace.create();
  await generateAddressSpace(space, [nodesets.standard, process.argv[2]]);
  const ns = space.getNamespaceIndex(process.argv[3]);
  const find = name => space.findNode(`ns=${ns};s=${name}`);
  const told = {};
  for (const name of process.argv.slice(4)) {
    const node = find(name);
    if (!node) { told[name] = null; continue; }
    told[name] = {
      class: node.nodeClass,
      title: node.displayName.map(t => t.text),
      type: node.typeDefinitionObj ? node.typeDefinitionObj.browseName.name : null,
      parents: node.findReferencesExAsObject('HierarchicalReferences', 1).map(n => n.browseName.name),
      children: node.findReferencesExAsObject('HierarchicalReferences', 0).map(n => n.browseName.name),
      rule: node.modellingRule || null,
      value: node.readValue ? node.readValue().value.toJSON().value : null,
    };
  }
  console.log(JSON.stringify(told));
  space.dispose();
}
main().catch(error => { console.error(error); process.exit(1); });
