import type { Logger } from '../model';

type Fields = Readonly<Record<string, unknown>>;
type Level = keyof Logger;

/** Log lines for a service: on stderr, where the service manager keeps them with their time. */
export function lineLogger(json: boolean | undefined, isVerbose: boolean): Logger {
  const say =
    (level: Level) =>
    (message: string, fields: Fields = {}): void => {
      if (level === 'debug' && !isVerbose) return;
      process.stderr.write(
        `${json === true ? asJson(level, message, fields) : asText(level, message, fields)}\n`,
      );
    };
  return { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') };
}

function asJson(level: Level, message: string, fields: Fields): string {
  return JSON.stringify({ level, message, ...fields });
}

function asText(level: Level, message: string, fields: Fields): string {
  const words = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [`snnet: ${level}:`, message, ...words].join(' ');
}
