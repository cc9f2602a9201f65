// Validates documents with two public libraries. Prints what they object to, one problem on a line.
//
//   node validate.mjs FILE...
import { readFileSync } from "node:fs";
import SwaggerParser from "@apidevtools/swagger-parser";
import { Validator } from "@seriousme/openapi-schema-validator";

for (const file of process.argv.slice(2)) {
  const document = () => JSON.parse(readFileSync(file, "utf8"));
  try {
    await SwaggerParser.validate(document());
  } catch (error) {
    console.log(`${file}: swagger-parser: ${error.message}`);
  }
  const { valid, errors } = await new Validator().validate(document());
  if (!valid) console.log(`${file}: openapi-schema-validator: ${JSON.stringify(errors)}`);
}
