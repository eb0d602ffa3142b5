# Calls the Claude API from a run of HCP Terraform without a stored key.
# Set TFC_WORKLOAD_IDENTITY_AUDIENCE_ANTHROPIC and the four IDs as environment variables of the workspace. They are not
# secrets. See README.md beside this file.
resource "terraform_data" "claude" {
  triggers_replace = [timestamp()]

  provisioner "local-exec" {
    command = <<-EOT
      python3 -m venv .venv && .venv/bin/python -m pip install ant-wif==0.1.0 anthropic==2.14.0
      export PATH="$PWD/.venv/bin:$PATH"
      ant auth status
      ant exec -- python program.py
    EOT
    interpreter = ["/bin/sh", "-e", "-c"]
  }
}
