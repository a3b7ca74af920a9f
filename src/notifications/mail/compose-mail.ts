import type { Letter, Recipient } from '../notices.events.js';
import type { Mail } from './mailer.js';

interface Contents {
  id: string;
  letter: Letter;
  recipient: Recipient;
  link: { url: string; label: string } | null;
  created_at: Date;
}

const FOOTER = 'You get this mail as a member of an organization on Holdpoint.';

/** The same words as plain text and as HTML. Nothing of it is read as markup: steps and people wrote it. */
export function composeMail({ id, letter, recipient, link, created_at }: Contents): Mail {
  const { title, text } = letter;
  return {
    id,
    to: { name: recipient.name, address: recipient.email },
    subject: title,
    text: [title, text, link && `${link.label}: ${link.url}`, `-- \n${FOOTER}`].filter(Boolean).join('\n\n') + '\n',
    html: htmlOf(title, text, link),
    date: created_at,
  };
}

function htmlOf(title: string, text: string, link: Contents['link']): string {
  const button = link ? `<p><a href="${escapeHtml(link.url)}">${escapeHtml(link.label)}</a></p>` : '';
  return [
    '<!doctype html><html><head><meta charset="utf-8"></head><body style="font-family: sans-serif">',
    `<h1 style="font-size: 1.2em">${escapeHtml(title)}</h1>`,
    `<p style="white-space: pre-wrap">${escapeHtml(text)}</p>`,
    button,
    `<p style="color: #666; font-size: 0.8em">${FOOTER}</p></body></html>`,
  ].join('\n');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
