/** An app that deploys Muster: `npx cdk deploy`. */
import { App, CfnOutput, Stack } from "aws-cdk-lib";
import { Muster } from "./muster.js";

const app = new App();
const stack = new Stack(app, "muster-dev");
const muster = new Muster(stack, "Muster", {
  release: process.env["MUSTER_RELEASE"] ?? "release",
  parameters: {
    Stage: "dev",
    JwtIssuer: "https://login.example.com",
    JwtAudience: "muster",
  },
});
// What the studio's other constructs need is at hand: muster.eventBus, muster.httpUrl.
new CfnOutput(stack, "Api", { value: muster.httpUrl });
