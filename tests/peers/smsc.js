// An SMSC that is not ours, on npm's smpp: node smsc.js '{"ids": "hex", …}'
//
// Options: refuse (bind status) · deaf (answers no enquire_link) · throttle ([from, to]: these submits are
// refused with 0x58, or throttle_status) · ids ("decimal", or "hex": receipts in hex) · receipts ("deliver_sm",
// "data_sm", "none") · early
// (receipt before the response) · cut_after (drops the connection at this submit, without an answer) ·
// silent (answers no submit) · port (else the system's choice) · first_id (1000).
// Events go to stdout, commands come on stdin, both as lines of JSON; the end of stdin ends the program.
'use strict';

const readline = require('readline');
const smpp = require('smpp');

const options = JSON.parse(process.argv[2] || '{}');
const sessions = new Set();
let nextId = options.first_id || 1000;
let submits = 0;

const tell = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + '\n');
const text = (pdu) => {
  const carried = pdu.short_message && pdu.short_message.message && pdu.short_message.message.length
    ? pdu.short_message : pdu.message_payload;
  return carried ? carried.message.toString() : '';
};

function receipt(session, pdu, id) {
  const shown = options.ids === 'hex' ? id.toString(16).toUpperCase().padStart(8, '0') : String(id);
  const common = {
    source_addr_ton: pdu.dest_addr_ton, source_addr_npi: pdu.dest_addr_npi, source_addr: pdu.destination_addr,
    dest_addr_ton: pdu.source_addr_ton, dest_addr_npi: pdu.source_addr_npi, destination_addr: pdu.source_addr,
    esm_class: 4,
  };
  const line = `id:${shown} sub:001 dlvrd:001 submit date:2611230905 done date:2611230906 stat:DELIVRD err:000 text:`;
  const answered = (answer) => tell('answered', { command: answer.command, status: answer.command_status, id: shown });
  if (options.receipts === 'data_sm') {
    const tlvs = { receipted_message_id: shown, message_state: 2, message_payload: line };
    session.data_sm({ ...common, ...tlvs }, answered);
  } else if (options.receipts !== 'none') {
    session.deliver_sm({ ...common, short_message: line }, answered);
  }
}

function submit(session, pdu) {
  submits += 1;
  tell('submit', {
    source: pdu.source_addr, destination: pdu.destination_addr, text: text(pdu), data_coding: pdu.data_coding,
    esm_class: pdu.esm_class, protocol_id: pdu.protocol_id, priority: pdu.priority_flag,
    registered_delivery: pdu.registered_delivery, reference: pdu.user_message_reference, set_dpf: pdu.set_dpf,
    udh: pdu.short_message && pdu.short_message.udh ? Buffer.concat(pdu.short_message.udh).toString('hex') : '',
    validity: pdu.validity_period,
  });
  if (options.cut_after === submits) {
    session.destroy();
    return;
  }
  if (options.silent) return;
  const [first, last] = options.throttle || [0, -1];
  if (submits >= first && submits <= last) {
    session.send(pdu.response({ command_status: options.throttle_status || smpp.ESME_RTHROTTLED }));
    return;
  }
  const id = nextId++;
  const wanted = pdu.registered_delivery & 1;
  if (wanted && options.early) receipt(session, pdu, id);
  session.send(pdu.response({ message_id: String(id) }));
  if (wanted && !options.early) receipt(session, pdu, id);
}

function serve(session) {
  sessions.add(session);
  session.on('close', () => { sessions.delete(session); tell('closed', {}); });
  session.on('error', (error) => tell('error', { message: error.message }));
  for (const kind of ['bind_transceiver', 'bind_transmitter', 'bind_receiver']) {
    session.on(kind, (pdu) => {
      tell('bind', { kind, system_id: pdu.system_id, password: pdu.password, system_type: pdu.system_type });
      session.kind = kind;
      session.send(pdu.response(options.refuse ? { command_status: options.refuse } : { system_id: 'foreign' }));
    });
  }
  session.on('submit_sm', (pdu) => submit(session, pdu));
  session.on('enquire_link', (pdu) => {
    tell('enquire_link', {});
    if (!options.deaf) session.send(pdu.response());
  });
  session.on('unbind', (pdu) => { tell('unbind', {}); session.send(pdu.response()); session.close(); });
  session.on('query_sm', (pdu) => {
    if (pdu.message_id === 'none') session.send(pdu.response({ command_status: smpp.ESME_RQUERYFAIL }));
    else session.send(pdu.response({ message_id: pdu.message_id, message_state: 2, error_code: 0 }));
  });
  session.on('cancel_sm', (pdu) => { tell('cancel', { id: pdu.message_id }); session.send(pdu.response()); });
  session.on('replace_sm', (pdu) => {
    tell('replace', { id: pdu.message_id, text: pdu.short_message.toString() });
    session.send(pdu.response());
  });
}

const commands = {
  deliver: (session, { fields }) => session.deliver_sm(fields, (pdu) =>
    tell('answered', { command: pdu.command, status: pdu.command_status })),
  alert: (session, { fields }) => session.alert_notification(fields),
  enquire: (session) => session.enquire_link({}, (pdu) => tell('alive', { command: pdu.command })),
  unbind: (session) => session.unbind({}, (pdu) => { tell('unbound', { command: pdu.command }); session.close(); }),
  cut: (session) => session.destroy(),
  raw: (session, { hex }) => session.socket.write(Buffer.from(hex, 'hex')),
};

const server = smpp.createServer({}, serve);
server.listen(options.port || 0, '127.0.0.1', () => tell('listening', { port: server.address().port }));
const lines = readline.createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const command = JSON.parse(line);
  for (const session of sessions) {
    if (session.kind !== 'bind_transmitter') commands[command.do](session, command);
  }
});
lines.on('close', () => process.exit(0));
