/** What people and editors are told about the pipeline file, made from the schema that checks it. */
import { z } from 'zod';
import { pipelineSchema } from './pipeline-schema.ts';

/** A node of the JSON Schema, as far as the table of keys needs it. */
interface SchemaNode {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  /** Draft 7 wraps a `$ref` that has a description. */
  readonly allOf?: readonly [SchemaNode];
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
  readonly definitions?: Readonly<Record<string, SchemaNode>>;
}

/** JSON Schema (draft 7, which editors know best) of a pipeline file. It knows the shape; `hearth lint` knows the rest. */
export function pipelineJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...rest } = z.toJSONSchema(pipelineSchema, { target: 'draft-7', io: 'input' });
  return { $schema, title: 'Hearth pipeline', description: 'A pipeline file of Hearth, version 1.', ...rest };
}

/** Markdown table of every key, in the order of the schema. */
export function keyTable(): string {
  const root = pipelineJsonSchema() as SchemaNode;
  const rows = rowsOf(root, '', root);
  return [
    '| key | value | meaning |',
    '|---|---|---|',
    ...rows.map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`),
  ].join('\n');
}

type Row = readonly [key: string, value: string, meaning: string];

function rowsOf(node: SchemaNode, path: string, root: SchemaNode): readonly Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([key, property]): readonly Row[] => {
    const here = path === '' ? key : `${path}.${key}`;
    const required = node.required?.includes(key) === true ? '**Required.** ' : '';
    return [
      [`\`${here}\``, typeOf(property, root), `${required}${property.description ?? ''}`],
      ...below(property, here, root),
    ];
  });
}

/** Keys of the mappings that a value may be, may hold by name, or may list. */
function below(node: SchemaNode, path: string, root: SchemaNode): readonly Row[] {
  const target = resolved(node, root);
  const named =
    typeof target.additionalProperties === 'object'
      ? rowsOf(resolved(target.additionalProperties, root), `${path}.<name>`, root)
      : [];
  const listed = target.items === undefined ? [] : rowsOf(resolved(target.items, root), `${path}[]`, root);
  const forms = (target.anyOf ?? []).flatMap((form) => below(form, path, root));
  return [...rowsOf(target, path, root), ...named, ...listed, ...forms];
}

function typeOf(node: SchemaNode, root: SchemaNode): string {
  const target = resolved(node, root);
  if (target.enum) return target.enum.map((word) => `\`${word}\``).join(' or ');
  if (target.anyOf)
    return [...new Set(target.anyOf.map((form) => typeOf(form, root)))]
      .filter((word) => word !== 'nothing')
      .join(' or ');
  if (target.items !== undefined) return `list of ${typeOf(target.items, root)}`;
  const types = typeof target.type === 'string' ? [target.type] : (target.type ?? ['anything']);
  return types.map((type) => WORDS[type] ?? type).join(' or ');
}

const WORDS: Readonly<Record<string, string>> = { object: 'mapping', string: 'text', null: 'nothing', array: 'list' };

function resolved(node: SchemaNode, root: SchemaNode): SchemaNode {
  if (node.allOf) return resolved(node.allOf[0], root);
  const name = node.$ref?.split('/').at(-1);
  return name === undefined ? node : (root.definitions?.[name] ?? node);
}
