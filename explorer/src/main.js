/** The page: one patient as Python computed him, where such a one is in it; else the explorer. */

import { openExplorer } from "./explorer.js";
import { showPatient } from "./patient.js";

const patient = document.getElementById("patient-data")?.textContent;
if (patient) showPatient(JSON.parse(patient));
else openExplorer();
