/**
 * What a Dockerfile may not hold because BuildKit could read it otherwise than we do: every image that it takes files from
 * has to be known before the build, or a build would reach images and caches that are not its own. Pure.
 */
import { From, JSONInstruction, Keyword, type Dockerfile, type Instruction } from 'dockerfile-ast';
import { shown } from '../shown.ts';

const KEYWORDS: ReadonlySet<string> = new Set(Object.values(Keyword) as readonly string[]);
/** The Dockerfile's own; any other program that reads the file could have BuildKit do whatever it likes. */
const SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@].*)?$/;
/** BuildKit takes quotes and backslashes out of flags, and ends them at spaces of every alphabet. */
const PLAIN_FLAG = /^--[a-z][a-z-]*(?:=[\x21\x23-\x26\x28-\x5b\x5d-\x7e]*)?$/;
/** BuildKit's own rule. */
const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/i;
/** To a BuildKit that knows no heredocs, the lines of one are instructions. */
const LIKE_INSTRUCTION = /^\s*(?:FROM\s+(?:--\S+\s+)*\S+(?:\s+AS\s+\S+)?\s*$|(?:COPY|ADD|RUN|ONBUILD)\b.*--)/i;

/** A sentence each. `slice` gives the text of a range of the file. */
export function doubtsAbout(
  file: Dockerfile,
  text: string,
  slice: (range: ReturnType<Instruction['getRange']>) => string,
): readonly string[] {
  const doubts = file.getInstructions().flatMap((instruction) => {
    const line = `line ${instruction.getRange().start.line + 1}: `;
    return doubtsOf(instruction, slice).map((doubt) => `${line}${doubt}`);
  });
  return [...syntaxDoubts(text), ...doubts];
}

function syntaxDoubts(text: string): readonly string[] {
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
    .entries()) {
    if (!/^\s*(?:#|\/\/|$)/.test(line)) return [];
    const syntax = /^\s*(?:#|\/\/)\s*syntax\s*=\s*(.*?)\s*$/i.exec(line)?.[1];
    if (syntax !== undefined && !SYNTAX.test(syntax))
      return [`line ${index + 1}: its syntax is ${shown(syntax)}; only docker/dockerfile may read it`];
  }
  return [];
}

function doubtsOf(instruction: Instruction, slice: Parameters<typeof doubtsAbout>[2]): readonly string[] {
  const keyword = instruction.getKeyword();
  if (!KEYWORDS.has(keyword)) return [`${shown(keyword)} is no instruction`];
  if (instruction instanceof From) {
    const name = instruction.getBuildStage();
    return name === null || STAGE_NAME.test(name) ? [] : [`${shown(name)} is not the name of a stage`];
  }
  if (!(instruction instanceof JSONInstruction)) return [];
  const odd = instruction.getFlags().find((flag) => !PLAIN_FLAG.test(slice(flag.getRange())));
  const isHidden = /^[\s\u0085]*--/.test(instruction.getRawArgumentsContent() ?? '');
  const flags =
    odd === undefined && !isHidden
      ? []
      : ['its flags hold quotes, backslashes, line ends or odd spaces; write each as plain --name=value'];
  const twice = instruction.getFlags().some((flag) => {
    const keys = (flag.getValue() ?? '').split(',').map((field) => field.split('=')[0]?.toLowerCase());
    return flag.getName() === 'mount' && keys.filter((key) => key === 'from').length > 1;
  });
  const hidden = slice(instruction.getRange()).includes('<<')
    ? joined(slice(instruction.getRange()))
        .slice(1)
        .find((line) => LIKE_INSTRUCTION.test(line))
    : undefined;
  const heredocs =
    hidden === undefined
      ? []
      : [`${shown(hidden.trim())} in its heredoc could be taken for an instruction; put the text into a file`];
  return [...flags, ...(twice ? ['a mount has more than one from'] : []), ...heredocs];
}

/** Its lines, as they are where comments are left out and a line that ends in an escape goes on in the next. */
function joined(text: string): readonly string[] {
  return text
    .split(/\r\n|\n|\r/)
    .filter((line) => !/^\s*(?:#|$)/.test(line))
    .join('\n')
    .replaceAll(/[\\`][ \t]*\n/g, '')
    .split('\n');
}
