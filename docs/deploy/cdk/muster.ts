/**
 * Muster as a CDK construct: the stack of `template.yaml`, whole. Its parameters are properties, its outputs are values.
 *
 * The template stays the one definition of what is deployed. The construct includes the one of a release folder
 * (`tools/release/build.sh`), lets CDK upload the zips beside it, and keeps `Transform: AWS::Serverless-2016-10-31`, which
 * CloudFormation runs. One to a stack: the resources keep the names that they have in the template.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CfnResource, Token, type CfnOutput } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";
import { parse, type CollectionTag, type ScalarTag, type YAMLMap, type YAMLSeq } from "yaml";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** The tags of CloudFormation's YAML in its long form, as JSON has it. `CfnInclude` knows some of them only. */
const INTRINSICS = ["And", "Cidr", "Contains", "Equals", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Not", "Or", "Select", "Split", "Sub"];
const long = (name: string): string => (name === "Ref" || name === "Condition" ? name : `Fn::${name}`);
const tags: (ScalarTag | CollectionTag)[] = [...INTRINSICS, "Ref", "Condition"].flatMap((name) => [
  { tag: `!${name}`, resolve: (text: string) => ({ [long(name)]: name === "GetAtt" ? text.split(/\.(.*)/s).slice(0, 2) : text }) },
  { tag: `!${name}`, collection: "seq", resolve: (list: YAMLMap | YAMLSeq) => ({ [long(name)]: list.toJSON() }) as never },
]);

/** CDK's own classes for SAM's types lag behind SAM and refuse what it takes. A type that CDK does not know is left as it is. */
const SAM = "AWS::Serverless::";
const HIDDEN = "SAM::Serverless::";

/** `Ref: Function.Alias` or `Ref: Api.Stage` is SAM's own; `CfnInclude` takes the same in an `Fn::Sub`. */
function spelled(value: Json): Json {
  if (Array.isArray(value)) return value.map(spelled);
  if (value === null || typeof value !== "object") return value;
  const ref = value["Ref"];
  if (typeof ref === "string" && /^\w+\.\w+$/.test(ref)) return { "Fn::Sub": `\${${ref}}` };
  const type = value["Type"];
  if (typeof type === "string" && type.startsWith(SAM)) return spelled({ ...value, Type: type.replace(SAM, HIDDEN) });
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, spelled(inner)]));
}

/** What to deploy, and how. */
export interface MusterProps {
  /** A release folder: `template.yaml`, a zip for each function, `SHA256SUMS`. */
  readonly release: string;
  /** The template's parameters by name. `JwtIssuer` and `JwtAudience` have no default; `Release` is made here. */
  readonly parameters: { readonly JwtIssuer: string; readonly JwtAudience: string; readonly [name: string]: string | number };
}

/** A deployment of Muster. */
export class Muster extends Construct {
  /** Where phones join, poll, answer and cancel. */
  readonly httpUrl: string;
  /** Where phones connect to be told instead of asking. */
  readonly webSocketUrl: string;
  /** Name of the durable record, for `muster rules`. */
  readonly ledgerTable: string;
  /** The bus on which events appear. */
  readonly eventBus: string;
  /** The topic that hears of alarms. */
  readonly alarmTopicArn: string;
  /** Everything in the template, to be looked up by its name there. */
  readonly template: CfnInclude;

  constructor(scope: Construct, id: string, props: MusterProps) {
    super(scope, id);
    const sums = readFileSync(join(props.release, "SHA256SUMS"), "utf8");
    // Functions get a new version when the code or a parameter changes, and only then.
    const release = createHash("sha256").update(sums).update(JSON.stringify(props.parameters)).digest("hex");
    const text = readFileSync(join(props.release, "template.yaml"), "utf8");
    const folder = mkdtempSync(join(tmpdir(), "muster-"));
    const templateFile = join(folder, "template.json");
    writeFileSync(templateFile, JSON.stringify(spelled(JSON.parse(JSON.stringify(parse(text, { customTags: tags }))) as Json)));
    this.template = new CfnInclude(this, "Template", {
      templateFile,
      parameters: { ...props.parameters, Release: release },
    });
    rmSync(folder, { recursive: true });
    for (const child of this.template.node.findAll()) {
      if (CfnResource.isCfnResource(child) && child.cfnResourceType.startsWith(HIDDEN)) {
        child.addOverride("Type", child.cfnResourceType.replace(HIDDEN, SAM));
      }
    }
    for (const line of sums.trim().split("\n")) {
      const zip = line.split("  ")[1];
      if (!zip?.endsWith(".zip")) continue;
      const name = zip.slice(0, -".zip".length);
      const code = new Asset(this, name, { path: join(props.release, zip) });
      const functionName = name.split("-").map((word) => word[0]!.toUpperCase() + word.slice(1)).join("") + "Function";
      this.template.getResource(functionName).addPropertyOverride("CodeUri", {
        Bucket: code.s3BucketName,
        Key: code.s3ObjectKey,
      });
    }
    const output = (name: string): string => Token.asString((this.template.getOutput(name) as CfnOutput).value);
    this.httpUrl = output("HttpUrl");
    this.webSocketUrl = output("WebSocketUrl");
    this.ledgerTable = output("LedgerTable");
    this.eventBus = output("EventBus");
    this.alarmTopicArn = output("AlarmTopicArn");
  }
}
