/** Files of commits that fail. Scripts of the repositories print or read them. */

export const FAILING_TESTS = [
	"cart|keeps its state after a reload|AssertionError: expected '2 items' to be '3 items'",
	"checkout|formats amounts in the locale of the user|AssertionError: expected '1,299.00 €' to be '1.299,00 €'",
	"orders|loads its data from the API|TypeError: Cannot read properties of undefined (reading 'lines')",
	"",
].join("\n");

export const TSC_ERRORS = `\u001b[96msrc/env/env.ts\u001b[0m:\u001b[93m18\u001b[0m:\u001b[93m9\u001b[0m - \u001b[91merror\u001b[0m\u001b[90m TS2322: \u001b[0mType 'string | undefined' is not assignable to type 'string'.

\u001b[7m18\u001b[0m   const apiUrl: string = import.meta.env.VITE_API_URL;
\u001b[7m  \u001b[0m \u001b[91m        ~~~~~~\u001b[0m

\u001b[96msrc/session/session.ts\u001b[0m:\u001b[93m52\u001b[0m:\u001b[93m24\u001b[0m - \u001b[91merror\u001b[0m\u001b[90m TS2345: \u001b[0mArgument of type 'Date | null' is not assignable to parameter of type 'Date'.

\u001b[7m52\u001b[0m   return remainingTime(session.expiresAt);
\u001b[7m  \u001b[0m \u001b[91m                       ~~~~~~~~~~~~~~~~~\u001b[0m


Found 2 errors in 2 files.

Errors  Files
     1  src/env/env.ts\u001b[90m:18\u001b[0m
     1  src/session/session.ts\u001b[90m:52\u001b[0m
`;

export const TRACEBACK = `==================================== ERRORS ====================================
____________________ ERROR collecting tests/test_export.py _____________________
Traceback (most recent call last):
  File "/workspace/tests/test_export.py", line 9, in <module>
    from api.export import EXPORTERS
  File "/workspace/api/export.py", line 41, in <module>
    EXPORTERS = {name: Exporter.from_config(config) for name, config in CONFIG.items()}
  File "/workspace/api/export.py", line 27, in from_config
    return cls(columns=config["columns"], currency=config["currency"])
                                                   ~~~~~~^^^^^^^^^^^^
KeyError: 'currency'
`;

export const TERRAFORM_ERROR = `\u001b[31m╷\u001b[0m
\u001b[31m│\u001b[0m \u001b[1m\u001b[31mError: \u001b[0m\u001b[1mReference to undeclared module\u001b[0m
\u001b[31m│\u001b[0m
\u001b[31m│\u001b[0m   on regions/eu-north.tf line 14, in module "edge":
\u001b[31m│\u001b[0m   14:   vpc_id = module.\u001b[4mnetwork_eu_north\u001b[0m.vpc_id
\u001b[31m│\u001b[0m
\u001b[31m│\u001b[0m No module call named "network_eu_north" is declared in the root module.
\u001b[31m╵\u001b[0m
`;
