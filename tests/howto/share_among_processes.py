import subprocess
import sys

PROGRAM = "import ant_wif; print(ant_wif.resolve().token())"

workers = [subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True) for _ in range(4)]
tokens = {worker.communicate()[0] for worker in workers}
print(f"{len(workers)} processes, {len(tokens)} token")
