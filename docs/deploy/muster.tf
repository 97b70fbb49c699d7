# Muster as a Terraform module's resource: one CloudFormation stack, its parameters here, its outputs as attributes.
#
# CloudFormation creates and updates the stack, with its canaries and their rollback; Terraform says with which parameters. Put the
# packaged template of a release where CloudFormation can read it first:
#
#   tools/release/build.sh
#   sam package --template-file dist/muster-0.1.0-arm64/template.yaml --s3-bucket BUCKET --output-template-file packaged.yaml
#   aws s3 cp packaged.yaml s3://BUCKET/muster-0.1.0.yaml

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "template_url" {
  type        = string
  description = "https URL of the packaged template in S3."
}

variable "release" {
  type        = string
  description = "8 to 64 hexadecimal digits; another for other code or parameters, so that functions get a new version."
}

resource "aws_cloudformation_stack" "muster" {
  name         = "muster-prod"
  template_url = var.template_url
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]

  parameters = {
    Release     = var.release
    Stage       = "prod"
    JwtIssuer   = "https://login.example.com"
    JwtAudience = "muster"
    AlarmEmail  = "night-shift@example.com"
  }

  timeouts {
    create = "60m"
    update = "60m"
  }
}

output "http_url" {
  value = aws_cloudformation_stack.muster.outputs["HttpUrl"]
}

output "websocket_url" {
  value = aws_cloudformation_stack.muster.outputs["WebSocketUrl"]
}

# For `muster rules`.
output "ledger_table" {
  value = aws_cloudformation_stack.muster.outputs["LedgerTable"]
}
