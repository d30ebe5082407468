// Orval joins the ways in which a body can be sent into one type, and cannot send a form then: files
// go as they are, and what is sent as a form alone does not exist.
export default {
  school: {
    input: "openapi.json",
    output: {
      target: "client.ts",
      client: "fetch",
      override: { contentType: { exclude: ["multipart/form-data"] } },
    },
  },
};
