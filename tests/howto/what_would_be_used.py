import ant_wif

report = ant_wif.report()
if report.credential:
    print(report.credential.origin, report.credential.identity_source, report.workspace.id)
for warning in report.warnings:
    print(warning.message, "->", warning.fix)
