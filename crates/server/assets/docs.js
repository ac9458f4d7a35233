"use strict";
// Nothing is kept in the browser, and no validator elsewhere is asked.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  validatorUrl: null,
  persistAuthorization: false,
  queryConfigEnabled: false,
  defaultModelsExpandDepth: 0,
  requestInterceptor(request) {
    // What the browser keeps for this server, cookies and passwords, stays out.
    request.credentials = "omit";
    return request;
  },
});
