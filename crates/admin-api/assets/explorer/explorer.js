"use strict";

// Starts GraphiQL against the address that this page came from.

// Where introspection is turned off there is no schema to read: nothing is completed or explained.
const INTROSPECTION = document.body.dataset.introspection !== "off";

const NO_SCHEMA = `# Introspection is turned off on this server,
# so nothing is completed or explained here.
# Queries run as ever; the schema is the file
# schema/admin.graphql of this version.
#
`;

const QUERY = `# The admin API of Chancery.
#
# It answers to a Bearer token with the
# audience urn:chancery:admin. Put one into
# the "Headers" tab below; it is forgotten
# with this page.
#
# Ctrl-Space completes, Ctrl-Enter runs.

query Tenants {
  tenants(first: 10) {
    edges {
      node {
        slug
        displayName
        state
      }
    }
  }
}
`;

const SUBSCRIPTIONS = `${window.location.origin.replace(/^http/, "ws")}/graphql/ws`;

const HEADERS = `{"Authorization": "Bearer "}`;

// Only how the page looks may outlive it. GraphiQL keeps its history, with the headers of each
// request, and its tabs in the same storage; those stay in memory, and a token with them.
const LASTING = ["theme", "editorFlex", "docExplorerFlex", "secondaryEditorFlex"].map((key) => `graphiql:${key}`);

function forgetful(lasting) {
  const memory = new Map();
  const lasts = (key) => LASTING.includes(key);
  return {
    getItem: (key) => (lasts(key) ? lasting.getItem(key) : (memory.get(key) ?? null)),
    setItem: (key, value) => (lasts(key) ? lasting.setItem(key, value) : void memory.set(key, value)),
    removeItem: (key) => (lasts(key) ? lasting.removeItem(key) : void memory.delete(key)),
    clear: () => {
      memory.clear();
      LASTING.forEach((key) => lasting.removeItem(key));
    },
    get length() {
      return memory.size;
    },
  };
}

// A token as it stands in the headers editor, or nothing while it is still being written.
function tokenIn(text) {
  try {
    const headers = Object.entries(JSON.parse(text));
    const value = headers.find(([name]) => name.toLowerCase() === "authorization")?.[1] ?? "";
    return /^Bearer\s+(\S+\.\S+\.\S+)$/i.exec(value)?.[1] ?? null;
  } catch {
    return null;
  }
}

function Explorer() {
  const [token, setToken] = React.useState(null);
  // A new fetcher makes GraphiQL read the schema again, which needs the token.
  // Subscriptions send the headers in connection_init.
  const fetcher = React.useMemo(
    () => GraphiQL.createFetcher({ url: "/graphql", subscriptionUrl: SUBSCRIPTIONS }),
    [token],
  );
  const onEditHeaders = React.useCallback((text) => setToken((last) => tokenIn(text) ?? last), []);
  const storage = React.useMemo(() => forgetful(window.localStorage), []);

  return React.createElement(GraphiQL, {
    fetcher,
    storage,
    onEditHeaders,
    defaultQuery: INTROSPECTION ? QUERY : NO_SCHEMA + QUERY,
    // Null: do not ask for it.
    ...(INTROSPECTION ? {} : { schema: null }),
    defaultHeaders: HEADERS,
    defaultEditorToolsVisibility: "headers",
    shouldPersistHeaders: false,
    showPersistHeadersSettings: false,
  });
}

ReactDOM.createRoot(document.getElementById("explorer")).render(React.createElement(Explorer));
