import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';

/** Takes mail on a loopback port and keeps it; refuses for good whoever is named `nobody`. */
export interface SmtpServer {
  url: string;
  received: { to: string; message: string }[];
  close(): Promise<void>;
}

export async function startSmtpServer(): Promise<SmtpServer> {
  const received: SmtpServer['received'] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)));
    serve(socket, (mail) => received.push(mail));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    close: async () => {
      const closed = once(server.close(), 'close');
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** One mail for each connection, commands as RFC 5321 has them. */
function serve(socket: Socket, take: (mail: { to: string; message: string }) => void): void {
  let [text, to, inMessage] = ['', '', false];
  socket.setEncoding('utf8').on('error', () => undefined);
  socket.write('220 loopback\r\n');
  socket.on('data', (chunk: string) => {
    text += chunk;
    for (let end = endOf(text, inMessage); end > 0; end = endOf(text, inMessage)) {
      const part = text.slice(0, end);
      text = text.slice(end);
      if (inMessage) take({ to, message: part.slice(0, -5) });
      else if (part.startsWith('RCPT')) to = /<(.*)>/.exec(part)?.[1] ?? '';
      const answer = inMessage ? '250 taken' : answerTo(part);
      inMessage = part.startsWith('DATA');
      socket.write(`${answer}\r\n`);
    }
  });
}

function endOf(text: string, inMessage: boolean): number {
  const end = inMessage ? '\r\n.\r\n' : '\r\n';
  return text.includes(end) ? text.indexOf(end) + end.length : 0;
}

function answerTo(command: string): string {
  if (command.startsWith('RCPT') && command.includes('<nobody')) return '550 no such person';
  if (command.startsWith('DATA')) return '354 go on';
  return command.startsWith('QUIT') ? '221 bye' : '250 fine';
}
