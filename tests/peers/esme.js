// An ESME that is not ours, on npm's smpp: node esme.js '{"port": 2775, "system_id": "foreign"}'
//
// Options: port · system_id · password · bind ("bind_transceiver") · hold (answers no deliver_sm by itself).
// Commands on stdin: {"do": "<request>", "fields": {…}, "tag": …}, answered by {"event": "response", "tag": …};
// {"do": "cut"}. Requests of the SMSC are told and answered with status 0. Lines of JSON both ways.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[2]);
const tell = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
const shown = (pdu) => {
  const fields = { ...pdu };
  if (fields.short_message) fields.short_message = fields.short_message.message.toString();
  if (fields.network_error_code) fields.network_error_code = fields.network_error_code.toString('hex');
  return fields;
};

const session = smpp.connect({ host: '127.0.0.1', port: options.port });
session.on('connect', () => {
  const bind = options.bind || 'bind_transceiver';
  session[bind]({ system_id: options.system_id, password: options.password || '' }, (pdu) =>
    tell('bound', shown(pdu)));
});
session.on('deliver_sm', (pdu) => {
  tell('deliver_sm', shown(pdu));
  if (!options.hold) session.send(pdu.response());
});
session.on('alert_notification', (pdu) => tell('alert_notification', shown(pdu)));
session.on('enquire_link', (pdu) => session.send(pdu.response()));
session.on('generic_nack', (pdu) => tell('generic_nack', shown(pdu)));
session.on('close', () => tell('closed', {}));
session.on('error', (error) => tell('error', { message: error.message }));

const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  if (command.do === 'cut') session.destroy();
  else session[command.do](command.fields, (pdu) => tell('response', { tag: command.tag, ...shown(pdu) }));
});
lines.on('close', () => process.exit(0));
